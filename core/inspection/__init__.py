"""Looking inside: the feature maps and filters of a network, and pictures of them."""
