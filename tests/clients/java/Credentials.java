// jnats with each credentials file of a folder that `tests/clients/jwt` made: who is let in is
// compared with what must be. Arguments: the server's URL and the folder. Any failure throws, which
// ends the program with status 1.

import io.nats.client.Connection;
import io.nats.client.ErrorListener;
import io.nats.client.Nats;
import io.nats.client.Options;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

class Credentials {
    static boolean isLetIn(String url, Path creds) throws Exception {
        Options options =
                new Options.Builder()
                        .server(url)
                        .authHandler(Nats.credentials(creds.toString()))
                        .errorListener(new ErrorListener() {})
                        .noReconnect()
                        .build();
        try (Connection connection = Nats.connect(options)) {
            connection.flush(Duration.ofSeconds(10));
            return true;
        } catch (IOException refused) {
            return false;
        }
    }

    public static void main(String[] args) throws Exception {
        Path folder = Path.of(args[1]);
        int count = 0;
        for (String line : Files.readAllLines(folder.resolve("cases"))) {
            String[] words = line.split(" ");
            boolean found = isLetIn(args[0], folder.resolve(words[0] + ".creds"));
            if (found != words[1].equals("in")) {
                throw new AssertionError(words[0] + ": expected " + words[1] + ", let in: " + found);
            }
            count++;
        }
        System.out.println("PASS " + count + " credentials files by jnats");
    }
}
