"""Measurements that others published, as datasets: named by URL and digest, fetched, never redistributed.

A source is one module: which files it needs (`download.RemoteFile`), and a function that gives a `Dataset`
(docs/adding-a-dataset.md).
"""
