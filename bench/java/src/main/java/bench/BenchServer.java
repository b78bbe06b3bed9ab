package bench;

import bench.bench.Payload;
import bench.bench.StreamRequest;
import bench.helloworld.HelloReply;
import bench.helloworld.HelloRequest;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollServerSocketChannel;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.util.Set;
import java.util.concurrent.Executors;

/**
 * The benchmark's services on grpc-java.
 *
 * <p>Default: the builder as it is, with a pool of {@code --threads} for handlers. Tuned:
 * handlers run on the event loop ({@code directExecutor}), and windows are larger.
 */
public final class BenchServer {
  private static final int WINDOW_LEN = 4 * 1024 * 1024;

  /** What protoc-gen-grpc-java generates for one method. */
  static <Q extends Message, R extends Message> MethodDescriptor<Q, R> method(
      MethodDescriptor.MethodType type, String name, Q request, R reply) {
    return MethodDescriptor.<Q, R>newBuilder()
        .setType(type)
        .setFullMethodName(name)
        .setSampledToLocalTracing(true)
        .setRequestMarshaller(ProtoUtils.marshaller(request))
        .setResponseMarshaller(ProtoUtils.marshaller(reply))
        .build();
  }

  private static ServerServiceDefinition greeter() {
    return ServerServiceDefinition.builder("helloworld.Greeter")
        .addMethod(
            method(
                MethodDescriptor.MethodType.UNARY,
                "helloworld.Greeter/SayHello",
                HelloRequest.getDefaultInstance(),
                HelloReply.getDefaultInstance()),
            ServerCalls.asyncUnaryCall(BenchServer::sayHello))
        .build();
  }

  private static ServerServiceDefinition benchmark() {
    Payload payload = Payload.getDefaultInstance();
    return ServerServiceDefinition.builder("bench.BenchmarkService")
        .addMethod(
            method(MethodDescriptor.MethodType.UNARY, "bench.BenchmarkService/Echo", payload, payload),
            ServerCalls.asyncUnaryCall(BenchServer::echo))
        .addMethod(
            method(
                MethodDescriptor.MethodType.SERVER_STREAMING,
                "bench.BenchmarkService/Stream",
                StreamRequest.getDefaultInstance(),
                payload),
            ServerCalls.asyncServerStreamingCall(BenchServer::stream))
        .addMethod(
            method(
                MethodDescriptor.MethodType.BIDI_STREAMING,
                "bench.BenchmarkService/PingPong",
                payload,
                payload),
            ServerCalls.asyncBidiStreamingCall(BenchServer::pingPong))
        .build();
  }

  private static void sayHello(HelloRequest request, StreamObserver<HelloReply> reply) {
    reply.onNext(HelloReply.newBuilder().setMessage("Hello, " + request.getName() + "!").build());
    reply.onCompleted();
  }

  private static void echo(Payload request, StreamObserver<Payload> reply) {
    reply.onNext(Payload.newBuilder().setBody(request.getBody()).build());
    reply.onCompleted();
  }

  private static void stream(StreamRequest request, StreamObserver<Payload> observer) {
    ServerCallStreamObserver<Payload> replies = (ServerCallStreamObserver<Payload>) observer;
    ByteString body = ByteString.copyFrom(new byte[request.getLen()]);
    replies.setOnReadyHandler(
        new Runnable() {
          private int left = request.getCount();

          @Override
          public void run() {
            while (left > 0 && replies.isReady()) {
              replies.onNext(Payload.newBuilder().setBody(body).build());
              if (--left == 0) {
                replies.onCompleted();
              }
            }
          }
        });
  }

  private static StreamObserver<Payload> pingPong(StreamObserver<Payload> pongs) {
    return new StreamObserver<Payload>() {
      @Override
      public void onNext(Payload ping) {
        pongs.onNext(Payload.newBuilder().setBody(ping.getBody()).build());
      }

      @Override
      public void onError(Throwable cause) {
        // The client has gone; there is nobody to answer.
      }

      @Override
      public void onCompleted() {
        pongs.onCompleted();
      }
    };
  }

  public static void main(String[] args) throws Exception {
    Arguments arguments = new Arguments(args, Set.of("--threads"));
    int threads = arguments.count("--threads", 1);
    EventLoopGroup acceptor = new EpollEventLoopGroup(1);
    EventLoopGroup workers = new EpollEventLoopGroup(threads);
    NettyServerBuilder builder =
        NettyServerBuilder.forAddress(arguments.addr())
            .channelType(EpollServerSocketChannel.class)
            .bossEventLoopGroup(acceptor)
            .workerEventLoopGroup(workers)
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .addService(greeter())
            .addService(benchmark());
    if (arguments.tuned()) {
      builder.directExecutor().flowControlWindow(WINDOW_LEN);
    } else {
      builder.executor(Executors.newFixedThreadPool(threads));
    }
    Server server = builder.build().start();
    server.awaitTermination();
  }

  private BenchServer() {}
}
