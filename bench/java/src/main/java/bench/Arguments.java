package bench;

import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** The command line of both programs. */
final class Arguments {
  private final Map<String, String> values = new HashMap<>();
  private final boolean tuned;

  /** Of names with a value, {@code --addr} and {@code counts} are known. */
  Arguments(String[] args, Set<String> counts) {
    boolean hasTuned = false;
    for (int n = 0; n < args.length; n++) {
      if (args[n].equals("--tuned")) {
        hasTuned = true;
      } else if (args[n].equals("--addr") || counts.contains(args[n])) {
        values.put(args[n], args[++n]);
      } else {
        throw new IllegalArgumentException("unexpected argument " + args[n]);
      }
    }
    tuned = hasTuned;
  }

  InetSocketAddress addr() {
    String[] parts = values.getOrDefault("--addr", "127.0.0.1:50051").split(":");
    return new InetSocketAddress(parts[0], Integer.parseInt(parts[1]));
  }

  int count(String name, int otherwise) {
    String value = values.get(name);
    return value == null ? otherwise : Integer.parseInt(value);
  }

  boolean tuned() {
    return tuned;
  }
}
