// What a message's compressed flag says, read off the wire by Node's own HTTP/2:
// `--test_case=server_compressed_unary` and `server_compressed_streaming`, status 0 if the
// server compressed what it was asked to compress, and nothing else. gRPC libraries hide
// that flag, so a server that never compresses passes their clients' cases.
'use strict';

const http2 = require('http2');
const { load } = require('./load');

const LENGTH_PREFIX = 5;

const cases = {
  server_compressed_unary: {
    method: 'UnaryCall',
    request: { response_size: 314159, response_compressed: { value: true } },
    flags: [1],
  },
  server_compressed_streaming: {
    method: 'StreamingOutputCall',
    request: {
      response_parameters: [
        { size: 31415, compressed: { value: true } },
        { size: 92653, compressed: { value: false } },
      ],
    },
    flags: [1, 0],
  },
};

function envelope(message) {
  const head = Buffer.alloc(LENGTH_PREFIX);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The flags of all whole messages of a body. */
function flagsOf(body) {
  const flags = [];
  for (let at = 0; at + LENGTH_PREFIX <= body.length; at += LENGTH_PREFIX + body.readUInt32BE(at + 1)) {
    flags.push(body[at]);
  }
  return flags;
}

function call(authority, path, message) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(authority);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-accept-encoding': 'identity,gzip',
    });
    const pieces = [];
    stream.on('error', reject);
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => {
      session.close();
      resolve(Buffer.concat(pieces));
    });
    stream.end(envelope(message));
  });
}

async function main() {
  const flags = { server_host: '127.0.0.1' };
  for (const argument of process.argv.slice(2)) {
    const [, name, value] = /^--?([^=]+)=(.*)$/.exec(argument);
    flags[name] = value;
  }
  const wanted = cases[flags.test_case];
  if (!wanted) throw new Error(`this client has no case ${flags.test_case}`);
  const { TestService } = load('grpc/testing/test.proto', [flags.protos]).grpc.testing;
  const { path, requestSerialize } = TestService.service[wanted.method];
  const authority = `http://${flags.server_host}:${flags.server_port}`;
  const seen = flagsOf(await call(authority, path, requestSerialize(wanted.request)));
  if (String(seen) !== String(wanted.flags)) throw new Error(`compressed flags ${seen}, wanted ${wanted.flags}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
