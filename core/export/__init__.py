"""Take it away: what a run and its network are, as files that other programs open."""
