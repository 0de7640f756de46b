"""The few colours that mean the same on every page; beside others they are told apart by the colour-blind too."""

ACCENT = "#0F8B8B"
MISTAKE = "#D55E00"  # Okabe and Ito's vermilion
MUTED = "#8C8C8C"
