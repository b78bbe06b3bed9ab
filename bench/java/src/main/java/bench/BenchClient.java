package bench;

import bench.helloworld.HelloReply;
import bench.helloworld.HelloRequest;
import com.sun.management.OperatingSystemMXBean;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollSocketChannel;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;

/**
 * grpc-java's client under load: its CPU time per unary call, by asynchronous stubs.
 *
 * <p>Default: replies are handled on a pool. Tuned: on the event loop ({@code directExecutor}).
 */
public final class BenchClient {
  private static final MethodDescriptor<HelloRequest, HelloReply> SAY_HELLO =
      BenchServer.method(
          MethodDescriptor.MethodType.UNARY,
          "helloworld.Greeter/SayHello",
          HelloRequest.getDefaultInstance(),
          HelloReply.getDefaultInstance());

  /** One call after another, until the share is done. */
  private static final class Caller implements StreamObserver<HelloReply> {
    private final ManagedChannel channel;
    private final CountDownLatch done;
    private int left;

    Caller(ManagedChannel channel, int calls, CountDownLatch done) {
      this.channel = channel;
      this.left = calls;
      this.done = done;
    }

    void call() {
      if (left-- == 0) {
        done.countDown();
        return;
      }
      HelloRequest request = HelloRequest.newBuilder().setName("world").build();
      ClientCalls.asyncUnaryCall(channel.newCall(SAY_HELLO, CallOptions.DEFAULT), request, this);
    }

    @Override
    public void onNext(HelloReply reply) {
      if (!reply.getMessage().equals("Hello, world!")) {
        fail("wrong reply: " + reply.getMessage());
      }
    }

    @Override
    public void onError(Throwable cause) {
      fail(cause.toString());
    }

    @Override
    public void onCompleted() {
      call();
    }
  }

  private static void fail(String cause) {
    System.err.println(cause);
    System.exit(1);
  }

  private static void run(List<ManagedChannel> channels, int flights, int calls) throws InterruptedException {
    CountDownLatch done = new CountDownLatch(flights);
    for (int index = 0; index < flights; index++) {
      int share = calls / flights + (index < calls % flights ? 1 : 0);
      new Caller(channels.get(index % channels.size()), share, done).call();
    }
    done.await();
  }

  public static void main(String[] args) throws Exception {
    Arguments arguments = new Arguments(args, Set.of("--connections", "--streams", "--calls"));
    int connections = arguments.count("--connections", 1);
    int streams = arguments.count("--streams", 1);
    int calls = arguments.count("--calls", 10000);
    EpollEventLoopGroup loop = new EpollEventLoopGroup(1);
    List<ManagedChannel> channels = new ArrayList<>();
    for (int n = 0; n < connections; n++) {
      NettyChannelBuilder builder =
          NettyChannelBuilder.forAddress(arguments.addr())
              .channelType(EpollSocketChannel.class)
              .eventLoopGroup(loop)
              .usePlaintext();
      channels.add((arguments.tuned() ? builder.directExecutor() : builder.executor(Executors.newFixedThreadPool(1))).build());
    }
    OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    run(channels, connections * streams, calls);
    long begin = process.getProcessCpuTime();
    run(channels, connections * streams, calls);
    long spent = process.getProcessCpuTime() - begin;
    System.out.printf(Locale.ROOT, "%.3f%n", spent / 1e3 / calls);
    System.exit(0);
  }

  private BenchClient() {}
}
