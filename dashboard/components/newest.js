// Before the script of every component. While a component's module loads, Streamlit's calls of it wait, and then come
// in any order; the cleanup of those that newer data have overtaken is called at once. Whose is not, a moment later, is
// the newest.
const mounts = new WeakMap()

// mount(element) makes the state that is kept over reruns. show(state, isNewest) draws; isNewest() says, where it had to
// wait, whether it still may. leave(state) is for when all is over.
function newest(element, mount, show, leave = () => {}) {
  const run = {}
  const timer = setTimeout(() => {
    const mounted = mounts.get(element) ?? { state: mount(element) }
    mounts.set(element, Object.assign(mounted, { run }))
    show(mounted.state, () => mounts.get(element)?.run === run)
  })
  return () => {
    clearTimeout(timer)
    const mounted = mounts.get(element)
    if (mounted?.run !== run) return
    mounts.delete(element)
    leave(mounted.state)
  }
}
