"""The official interop cases on grpcio (C-core): `--test_case=NAME`, status 0 is a pass.

grpcio sets compression by the call and does not show a message's compressed flag,
so the cases that compress one message of a stream and not the next are not here.
"""

import argparse
import pathlib
import sys
import threading
import time

import grpc
from tproto import empty_pb2, messages_pb2, test_pb2_grpc

REQUEST_SIZE, RESPONSE_SIZE = 271828, 314159
REQUEST_SIZES, RESPONSE_SIZES = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
SPECIAL_MESSAGE = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
TIMEOUT = 30
SOAK_ITERATIONS = 10
SOAK_LATENCY_MAX_SECONDS = 5


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def check_status(error, code, message=None):
    check(error.code() == code, f"status {error.code()}: {error.details()}, wanted {code}")
    if message is not None:
        check(error.details() == message, f"message {error.details()!r}, wanted {message!r}")


def expect_status(call, code, message=None):
    try:
        call()
    except grpc.RpcError as error:
        return check_status(error, code, message)
    raise AssertionError(f"no error, wanted {code}")


def payload(size):
    return messages_pb2.Payload(body=bytes(size))


def large_request(**fields):
    return messages_pb2.SimpleRequest(response_size=RESPONSE_SIZE, payload=payload(REQUEST_SIZE), **fields)


def check_large(response):
    check(len(response.payload.body) == RESPONSE_SIZE, f"{len(response.payload.body)} bytes")


def output_request(*sizes, request_size=None, compressed=None):
    flags = compressed or [None] * len(sizes)
    parameters = [
        messages_pb2.ResponseParameters(size=size, compressed=flag and messages_pb2.BoolValue(value=flag == "yes"))
        for size, flag in zip(sizes, flags)
    ]
    request = messages_pb2.StreamingOutputCallRequest(response_parameters=parameters)
    if request_size is not None:
        request.payload.body = bytes(request_size)
    return request


def empty_unary(stub):
    check(stub.EmptyCall(empty_pb2.Empty(), timeout=TIMEOUT) == empty_pb2.Empty(), "a reply with content")


def large_unary(stub):
    check_large(stub.UnaryCall(large_request(), timeout=TIMEOUT))


def client_compressed_unary(stub):
    yes, no = messages_pb2.BoolValue(value=True), messages_pb2.BoolValue(value=False)
    expect_status(
        lambda: stub.UnaryCall(large_request(expect_compressed=yes), timeout=TIMEOUT),
        grpc.StatusCode.INVALID_ARGUMENT,
    )
    check_large(
        stub.UnaryCall(large_request(expect_compressed=yes), timeout=TIMEOUT, compression=grpc.Compression.Gzip)
    )
    check_large(stub.UnaryCall(large_request(expect_compressed=no), timeout=TIMEOUT))


def server_compressed_unary(stub):
    for value in (True, False):
        wanted = messages_pb2.BoolValue(value=value)
        check_large(stub.UnaryCall(large_request(response_compressed=wanted), timeout=TIMEOUT))


def client_streaming(stub):
    requests = (messages_pb2.StreamingInputCallRequest(payload=payload(size)) for size in REQUEST_SIZES)
    response = stub.StreamingInputCall(requests, timeout=TIMEOUT)
    check(response.aggregated_payload_size == sum(REQUEST_SIZES), str(response))


def server_streaming(stub):
    responses = stub.StreamingOutputCall(output_request(*RESPONSE_SIZES), timeout=TIMEOUT)
    sizes = tuple(len(response.payload.body) for response in responses)
    check(sizes == RESPONSE_SIZES, str(sizes))


def server_compressed_streaming(stub):
    request = output_request(31415, 92653, compressed=("yes", "no"))
    sizes = [len(response.payload.body) for response in stub.StreamingOutputCall(request, timeout=TIMEOUT)]
    check(sizes == [31415, 92653], str(sizes))


class Turns:
    """An iterator of requests that gives the next one when told to."""

    def __init__(self):
        self.condition = threading.Condition()
        self.requests, self.is_done = [], False

    def __iter__(self):
        return self

    def __next__(self):
        with self.condition:
            while not self.requests and not self.is_done:
                self.condition.wait()
            if self.requests:
                return self.requests.pop(0)
            raise StopIteration

    def give(self, request):
        with self.condition:
            self.requests.append(request)
            self.condition.notify()

    def finish(self):
        with self.condition:
            self.is_done = True
            self.condition.notify()


def ping_pong(stub):
    turns = Turns()
    responses = stub.FullDuplexCall(turns, timeout=TIMEOUT)
    for request_size, response_size in zip(REQUEST_SIZES, RESPONSE_SIZES):
        turns.give(output_request(response_size, request_size=request_size))
        check(len(next(responses).payload.body) == response_size, "a reply of the wrong size")
    turns.finish()
    check(next(responses, None) is None, "one reply too many")
    check(responses.code() == grpc.StatusCode.OK, str(responses.code()))


def empty_stream(stub):
    responses = stub.FullDuplexCall(iter(()), timeout=TIMEOUT)
    check(list(responses) == [], "a reply to nothing")
    check(responses.code() == grpc.StatusCode.OK, str(responses.code()))


def timeout_on_sleeping_server(stub):
    turns = Turns()
    responses = stub.FullDuplexCall(turns, timeout=0.001)
    turns.give(output_request(request_size=27182))
    expect_status(lambda: next(responses), grpc.StatusCode.DEADLINE_EXCEEDED)
    turns.finish()


def cancel_after_begin(stub):
    turns = Turns()
    call = stub.StreamingInputCall.future(turns, timeout=TIMEOUT)
    call.cancel()
    turns.finish()
    check(call.cancelled(), "not cancelled")
    check(call.code() == grpc.StatusCode.CANCELLED, str(call.code()))


def cancel_after_first_response(stub):
    turns = Turns()
    responses = stub.FullDuplexCall(turns, timeout=TIMEOUT)
    turns.give(output_request(RESPONSE_SIZES[0], request_size=REQUEST_SIZES[0]))
    next(responses)
    responses.cancel()
    expect_status(lambda: next(responses), grpc.StatusCode.CANCELLED)
    turns.finish()


def status_code_and_message(stub):
    expect_echo(stub, "test status message")


def special_status_message(stub):
    expect_echo(stub, SPECIAL_MESSAGE)


def expect_echo(stub, message):
    status = messages_pb2.EchoStatus(code=2, message=message)
    request = messages_pb2.SimpleRequest(response_status=status)
    expect_status(lambda: stub.UnaryCall(request, timeout=TIMEOUT), grpc.StatusCode.UNKNOWN, message)
    streamed = messages_pb2.StreamingOutputCallRequest(response_status=status)
    responses = stub.FullDuplexCall(iter((streamed,)), timeout=TIMEOUT)
    expect_status(lambda: next(responses), grpc.StatusCode.UNKNOWN, message)


def custom_metadata(stub):
    _, call = stub.UnaryCall.with_call(large_request(), timeout=TIMEOUT, metadata=(INITIAL, TRAILING))
    check_echoed(call)
    request = output_request(RESPONSE_SIZES[0], request_size=REQUEST_SIZES[0])
    responses = stub.FullDuplexCall(iter((request,)), timeout=TIMEOUT, metadata=(INITIAL, TRAILING))
    check(len(list(responses)) == 1, "not one reply")
    check_echoed(responses)


def check_echoed(call):
    check(INITIAL in tuple(call.initial_metadata()), f"initial metadata {call.initial_metadata()}")
    check(TRAILING in tuple(call.trailing_metadata()), f"trailing metadata {call.trailing_metadata()}")


def unimplemented_method(stub):
    expect_status(
        lambda: stub.UnimplementedCall(empty_pb2.Empty(), timeout=TIMEOUT), grpc.StatusCode.UNIMPLEMENTED
    )


def unimplemented_service(stub):
    unimplemented = test_pb2_grpc.UnimplementedServiceStub(stub.channel)
    expect_status(
        lambda: unimplemented.UnimplementedCall(empty_pb2.Empty(), timeout=TIMEOUT), grpc.StatusCode.UNIMPLEMENTED
    )


def rpc_soak(stub):
    for _ in range(SOAK_ITERATIONS):
        soak_once(stub)


def channel_soak(stub):
    for _ in range(SOAK_ITERATIONS):
        with stub.connect() as channel:
            soak_once(test_pb2_grpc.TestServiceStub(channel))


def soak_once(stub):
    begin = time.monotonic()
    large_unary(stub)
    latency = time.monotonic() - begin
    check(latency <= SOAK_LATENCY_MAX_SECONDS, f"a call took {latency} s")


CASES = (
    empty_unary,
    large_unary,
    client_compressed_unary,
    server_compressed_unary,
    client_streaming,
    server_streaming,
    server_compressed_streaming,
    ping_pong,
    empty_stream,
    timeout_on_sleeping_server,
    cancel_after_begin,
    cancel_after_first_response,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
    rpc_soak,
    channel_soak,
)


def connector(arguments):
    target = f"{arguments.server_host}:{arguments.server_port}"
    # A channel of its own each time: C-core would else share one connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if arguments.use_tls != "true":
        return lambda: grpc.insecure_channel(target, options)
    authority = (arguments.certificates / "ca.pem").read_bytes()
    options.append(("grpc.ssl_target_name_override", arguments.server_host_override))
    return lambda: grpc.secure_channel(target, grpc.ssl_channel_credentials(authority), options)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server_host", default="127.0.0.1")
    parser.add_argument("--server_port", type=int, required=True)
    parser.add_argument("--test_case", required=True)
    parser.add_argument("--use_tls", default="false")
    parser.add_argument("--server_host_override", default="foo.test.google.fr")
    parser.add_argument("--certificates", type=pathlib.Path)
    arguments = parser.parse_args()
    case = next((case for case in CASES if case.__name__ == arguments.test_case), None)
    if case is None:
        sys.exit(f"this client has no case {arguments.test_case}")
    connect = connector(arguments)
    with connect() as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        stub.channel, stub.connect = channel, connect
        case(stub)


if __name__ == "__main__":
    main()
