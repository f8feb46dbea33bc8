"""Aliyun's HTTP signature ACS3-HMAC-SHA256, without I/O: what makes them believe a request."""
