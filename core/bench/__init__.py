"""One command, one table: how fast this machine trains, against the original loop and against its own arithmetic."""
