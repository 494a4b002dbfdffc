"""Watches the health of a server with gRPC's C core, and prints each status on a line of its own."""

import sys

import grpc

STATUS = {b"\x08\x01": "SERVING", b"\x08\x02": "NOT_SERVING"}

with grpc.insecure_channel(sys.argv[1]) as channel:
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
    try:
        for status in watch(b""):
            print(STATUS.get(status, status), flush=True)
    except grpc.RpcError as error:
        print(error.code(), error.details(), flush=True)
