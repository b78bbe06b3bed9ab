"""The classic tutorial's greeter client, on grpcio: `greeter_client.py [PORT]`."""

import sys

import grpc
import greeter_pb2
import greeter_pb2_grpc


def run():
    port = sys.argv[1] if len(sys.argv) > 1 else "50051"
    with grpc.insecure_channel("localhost:" + port) as channel:
        stub = greeter_pb2_grpc.GreeterStub(channel)
        response = stub.SayHello(greeter_pb2.HelloRequest(name="Alice"))
    print("Greeter client received: " + response.message)


if __name__ == "__main__":
    run()
