"""What logship asks of a server, held against the embedded node and a real Elasticsearch.

Where the two differ, the node is wrong.
"""
