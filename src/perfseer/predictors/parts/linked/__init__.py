"""What the graph networks of others share: nodes and who is linked to whom."""
