// The official interop cases on grpc-js: `--test_case=NAME`, status 0 is a pass.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const { load } = require('./load');

const REQUEST_SIZE = 271828;
const RESPONSE_SIZE = 314159;
const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n';
const ECHO_INITIAL = 'x-grpc-test-echo-initial';
const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
const SOAK_ITERATIONS = 10;
const SOAK_LATENCY_MAX_MS = 5000;

const deadline = (milliseconds = 30000) => ({ deadline: Date.now() + milliseconds });
const payload = (size) => ({ body: Buffer.alloc(size) });
const largeRequest = () => ({ response_size: RESPONSE_SIZE, payload: payload(REQUEST_SIZE) });
const outputRequest = (sizes, requestSize) => ({
  response_parameters: sizes.map((size) => ({ size })),
  payload: requestSize === undefined ? undefined : payload(requestSize),
});

/** A unary call as a promise of its reply, initial metadata and status. */
function unary(client, method, request, metadata = new grpc.Metadata(), options = deadline()) {
  return new Promise((resolve, reject) => {
    const seen = {};
    const call = client[method](request, metadata, options, (error, response) => {
      seen.response = response;
      if (error) reject(error);
    });
    call.on('metadata', (initial) => { seen.initial = initial; });
    call.on('status', (status) => { if (status.code === 0) resolve({ ...seen, status }); });
  });
}

/** Waits for a stream to end: its messages and its status. */
function ended(call) {
  return new Promise((resolve) => {
    const seen = { messages: [] };
    call.on('metadata', (initial) => { seen.initial = initial; });
    call.on('data', (message) => seen.messages.push(message));
    call.on('error', () => {});
    call.on('status', (status) => resolve({ ...seen, status }));
  });
}

async function expectStatus(promise, code, message) {
  const error = await promise.then(() => assert.fail(`no error, wanted ${code}`), (error) => error);
  checkStatus(error, code, message);
}

function checkStatus(status, code, message) {
  assert.strictEqual(status.code, code, status.details);
  if (message !== undefined) assert.strictEqual(status.details, message);
}

function echoRequested() {
  const metadata = new grpc.Metadata();
  metadata.set(ECHO_INITIAL, 'test_initial_metadata_value');
  metadata.set(ECHO_TRAILING, Buffer.from([0xab, 0xab, 0xab]));
  return metadata;
}

function checkEchoed({ initial, status }) {
  assert.deepStrictEqual(initial.get(ECHO_INITIAL), ['test_initial_metadata_value']);
  assert.deepStrictEqual(status.metadata.get(ECHO_TRAILING), [Buffer.from([0xab, 0xab, 0xab])]);
}

async function soakOnce(client) {
  const begin = Date.now();
  await cases.large_unary(client);
  const latency = Date.now() - begin;
  assert(latency <= SOAK_LATENCY_MAX_MS, `a call took ${latency} ms`);
}

const cases = {
  async empty_unary(client) {
    await unary(client, 'emptyCall', {});
  },

  async large_unary(client) {
    const { response } = await unary(client, 'unaryCall', largeRequest());
    assert.strictEqual(response.payload.body.length, RESPONSE_SIZE);
  },

  async client_streaming(client) {
    const size = await new Promise((resolve, reject) => {
      const call = client.streamingInputCall(new grpc.Metadata(), deadline(), (error, response) => {
        if (error) reject(error); else resolve(response.aggregated_payload_size);
      });
      for (const size of REQUEST_SIZES) call.write({ payload: payload(size) });
      call.end();
    });
    assert.strictEqual(size, 74922);
  },

  async server_streaming(client) {
    const { messages, status } = await ended(client.streamingOutputCall(outputRequest(RESPONSE_SIZES), deadline()));
    checkStatus(status, grpc.status.OK);
    assert.deepStrictEqual(messages.map((message) => message.payload.body.length), RESPONSE_SIZES);
  },

  async ping_pong(client) {
    const call = client.fullDuplexCall(deadline());
    const end = ended(call);
    for (const [index, size] of RESPONSE_SIZES.entries()) {
      call.write(outputRequest([size], REQUEST_SIZES[index]));
      const [message] = await require('events').once(call, 'data');
      assert.strictEqual(message.payload.body.length, size);
    }
    call.end();
    const { messages, status } = await end;
    checkStatus(status, grpc.status.OK);
    assert.strictEqual(messages.length, RESPONSE_SIZES.length);
  },

  async empty_stream(client) {
    const call = client.fullDuplexCall(deadline());
    call.end();
    const { messages, status } = await ended(call);
    checkStatus(status, grpc.status.OK);
    assert.strictEqual(messages.length, 0);
  },

  async timeout_on_sleeping_server(client) {
    const call = client.fullDuplexCall(deadline(1));
    call.write(outputRequest([], 27182));
    checkStatus((await ended(call)).status, grpc.status.DEADLINE_EXCEEDED);
  },

  async cancel_after_begin(client) {
    await expectStatus(new Promise((resolve, reject) => {
      const call = client.streamingInputCall(deadline(), (error, response) => {
        if (error) reject(error); else resolve(response);
      });
      call.cancel();
    }), grpc.status.CANCELLED);
  },

  async cancel_after_first_response(client) {
    const call = client.fullDuplexCall(deadline());
    const end = ended(call);
    call.write(outputRequest([RESPONSE_SIZES[0]], REQUEST_SIZES[0]));
    await require('events').once(call, 'data');
    call.cancel();
    checkStatus((await end).status, grpc.status.CANCELLED);
  },

  async status_code_and_message(client) {
    await expectEcho(client, 'test status message');
  },

  async special_status_message(client) {
    await expectEcho(client, SPECIAL_MESSAGE);
  },

  async custom_metadata(client) {
    checkEchoed(await unary(client, 'unaryCall', largeRequest(), echoRequested()));
    const call = client.fullDuplexCall(echoRequested(), deadline());
    call.write(outputRequest([RESPONSE_SIZES[0]], REQUEST_SIZES[0]));
    call.end();
    const end = await ended(call);
    assert.strictEqual(end.messages.length, 1);
    checkEchoed(end);
  },

  async unimplemented_method(client) {
    await expectStatus(unary(client, 'unimplementedCall', {}), grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service(client, { UnimplementedService, connect }) {
    const other = connect(UnimplementedService);
    await expectStatus(unary(other, 'unimplementedCall', {}), grpc.status.UNIMPLEMENTED);
    other.close();
  },

  async rpc_soak(client) {
    for (let i = 0; i < SOAK_ITERATIONS; i++) await soakOnce(client);
  },

  async channel_soak(_client, { TestService, connect }) {
    for (let i = 0; i < SOAK_ITERATIONS; i++) {
      const client = connect(TestService);
      await soakOnce(client);
      client.close();
    }
  },
};

async function expectEcho(client, message) {
  const request = { response_status: { code: 2, message } };
  await expectStatus(unary(client, 'unaryCall', request), grpc.status.UNKNOWN, message);
  const call = client.fullDuplexCall(deadline());
  call.write(request);
  call.end();
  checkStatus((await ended(call)).status, grpc.status.UNKNOWN, message);
}

function connector(flags) {
  const target = `${flags.server_host}:${flags.server_port}`;
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  if (flags.use_tls !== 'true') return (Client) => new Client(target, grpc.credentials.createInsecure(), options);
  const authority = fs.readFileSync(path.join(flags.certificates, 'ca.pem'));
  const name = flags.server_host_override || 'foo.test.google.fr';
  options['grpc.ssl_target_name_override'] = name;
  options['grpc.default_authority'] = name;
  return (Client) => new Client(target, grpc.credentials.createSsl(authority), options);
}

async function main() {
  const flags = { server_host: '127.0.0.1' };
  for (const argument of process.argv.slice(2)) {
    const [, name, value] = /^--?([^=]+)=(.*)$/.exec(argument);
    flags[name] = value;
  }
  const run = cases[flags.test_case];
  if (!run) throw new Error(`this client has no case ${flags.test_case}`);
  const { TestService, UnimplementedService } = load('grpc/testing/test.proto', [flags.protos]).grpc.testing;
  const connect = connector(flags);
  const client = connect(TestService);
  await run(client, { TestService, UnimplementedService, connect });
  client.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
