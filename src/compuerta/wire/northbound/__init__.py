"""What a network operator's NB-IoT platform and an application say to each other over HTTP.

The form is that of the platforms behind CTWing and Huawei's cloud: commands out that the platform keeps for a
sleeping device until they expire, and pushes in of what devices say and what has become of commands. Each
contract dresses it differently; what differs is in `letters`.
"""
