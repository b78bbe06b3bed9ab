// Reads a schema as the tutorials do: names as written, defaults filled in.
'use strict';

const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');

exports.load = (proto, includeDirs = []) => {
  const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs };
  return grpc.loadPackageDefinition(protoLoader.loadSync(proto, options));
};
