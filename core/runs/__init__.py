"""The run folder: the only thing that training and viewing share."""
