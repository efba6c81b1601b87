// jnats' JetStream, key-value and object store against the server whose URL is the only argument.
// Prints PASS lines; any failure throws, which ends the program with status 1.

import io.nats.client.Connection;
import io.nats.client.ConsumerContext;
import io.nats.client.FetchConsumer;
import io.nats.client.JetStream;
import io.nats.client.JetStreamApiException;
import io.nats.client.JetStreamManagement;
import io.nats.client.KeyValue;
import io.nats.client.Message;
import io.nats.client.Nats;
import io.nats.client.ObjectStore;
import io.nats.client.Options;
import io.nats.client.PurgeOptions;
import io.nats.client.FetchConsumeOptions;
import io.nats.client.api.AckPolicy;
import io.nats.client.api.ConsumerConfiguration;
import io.nats.client.api.KeyValueConfiguration;
import io.nats.client.api.ObjectStoreConfiguration;
import io.nats.client.api.RetentionPolicy;
import io.nats.client.api.StreamConfiguration;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

class Streams {
    static final Duration PATIENCE = Duration.ofSeconds(10);

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static byte[] bytes(Object value) {
        return String.valueOf(value).getBytes();
    }

    static int takeAll(ConsumerContext consumer, int count) throws Exception {
        int taken = 0;
        while (taken < count) {
            FetchConsumeOptions options = FetchConsumeOptions.builder()
                .maxMessages(50).expiresIn(10000).build();
            try (FetchConsumer batch = consumer.fetch(options)) {
                Message message;
                while ((message = batch.nextMessage()) != null) {
                    check(new String(message.getData()).equals(String.valueOf(taken)), "in order");
                    message.ackSync(PATIENCE);
                    taken++;
                }
            }
        }
        return taken;
    }

    static ConsumerContext puller(Connection connection, String stream) throws Exception {
        return connection.getStreamContext(stream).createOrUpdateConsumer(
            ConsumerConfiguration.builder().durable("puller").ackPolicy(AckPolicy.Explicit).build());
    }

    public static void main(String[] args) throws Exception {
        Options options = Options.builder().server(args[0]).noReconnect().build();
        Connection connection = Nats.connect(options);
        JetStreamManagement management = connection.jetStreamManagement();
        JetStream js = connection.jetStream();

        management.addStream(StreamConfiguration.builder().name("JV").subjects("jv.>").build());
        for (int number = 0; number < 200; number++) {
            check(js.publish("jv." + number, bytes(number)).getSeqno() == number + 1, "sequence");
        }
        ConsumerContext puller = puller(connection, "JV");
        check(takeAll(puller, 200) == 200, "each once");
        check(puller.getConsumerInfo().getNumAckPending() == 0, "all are acknowledged");
        System.out.println("PASS publish, pull, acknowledge");

        PurgeOptions one = PurgeOptions.builder().subject("jv.7").build();
        check(management.purgeStream("JV", one).getPurged() == 1, "one was purged");
        check(management.getStreamInfo("JV").getStreamState().getMsgCount() == 199, "the others");
        check(Arrays.equals(management.getLastMessage("JV", "jv.42").getData(), bytes(42)), "last");
        try {
            management.getMessage("JV", 8);
            check(false, "it was purged");
        } catch (JetStreamApiException error) {
            check(error.getApiErrorCode() == 10037, "not found: " + error);
        }
        check(management.deleteStream("JV"), "deleted");
        System.out.println("PASS purge, message get, delete");

        management.addStream(StreamConfiguration.builder().name("JVQ").subjects("jvq")
            .retentionPolicy(RetentionPolicy.WorkQueue).build());
        for (int number = 0; number < 20; number++) {
            js.publish("jvq", bytes(number));
        }
        takeAll(puller(connection, "JVQ"), 20);
        check(management.getStreamInfo("JVQ").getStreamState().getMsgCount() == 0, "forgotten");
        management.deleteStream("JVQ");
        System.out.println("PASS work queue");

        connection.keyValueManagement().create(
            KeyValueConfiguration.builder().name("jvkv").maxHistoryPerKey(5).build());
        KeyValue bucket = connection.keyValue("jvkv");
        long first = bucket.put("a", bytes(1));
        bucket.update("a", bytes(2), first);
        try {
            bucket.update("a", bytes(3), first);
            check(false, "another revision");
        } catch (JetStreamApiException error) {
            check(error.getApiErrorCode() == 10071, "wrong last sequence: " + error);
        }
        check(bucket.get("a").getValueAsString().equals("2"), "the newest value");
        check(bucket.history("a").size() == 2, "both values");
        bucket.put("b", bytes("x"));
        bucket.delete("b");
        check(bucket.keys().equals(List.of("a")), "one key is left");
        connection.keyValueManagement().delete("jvkv");
        System.out.println("PASS key-value store");

        connection.objectStoreManagement().create(
            ObjectStoreConfiguration.builder("jvobj").build());
        ObjectStore objects = connection.objectStore("jvobj");
        byte[] content = new byte[700_000];
        new Random(7).nextBytes(content);
        objects.put("thing", new ByteArrayInputStream(content));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        objects.get("thing", out);
        check(Arrays.equals(out.toByteArray(), content), "what went in");
        check(objects.getList().size() == 1, "one object");
        objects.delete("thing");
        connection.objectStoreManagement().delete("jvobj");
        System.out.println("PASS object store");
        connection.close();
    }
}
