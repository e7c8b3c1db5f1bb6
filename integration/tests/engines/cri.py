"""Calls one method of Kubernetes' runtime interface: cri.py SOCKET METHOD, with the request as JSON on standard input and
the response as JSON on standard output; an error of the server's is one line on standard error, and exit code 1."""

import sys

import grpc
from google.protobuf import descriptor_pb2, json_format, message_factory

socket, name = sys.argv[1:]
with open("/opt/peers/cri.pb", "rb") as file:
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
messages = message_factory.GetMessages(files)
services = [service for file in files for service in file.service if service.name == "RuntimeService"]
[method] = [method for service in services for method in service.method if method.name == name]
request = messages[method.input_type.removeprefix(".")]
response = messages[method.output_type.removeprefix(".")]

with grpc.insecure_channel("unix://" + socket) as channel:
    call = channel.unary_unary(
        "/runtime.v1.RuntimeService/" + name,
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )
    try:
        answer = call(json_format.Parse(sys.stdin.read(), request()), timeout=100)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
print(json_format.MessageToJson(answer, preserving_proto_field_name=True))
