"""Images: sets of them, where they come from, how a batch is changed on the way to the network."""
