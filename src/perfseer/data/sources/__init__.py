"""Measurements that others published, a file or folder per set; what a source is stands in `data.source`."""
