// jnats against the server whose URL is the only argument. Prints PASS lines; any failure throws,
// which ends the program with status 1. Run as `java -cp 'jars/*' Client.java <url>`.

import io.nats.client.Connection;
import io.nats.client.Dispatcher;
import io.nats.client.Message;
import io.nats.client.Nats;
import io.nats.client.Options;
import io.nats.client.Subscription;
import io.nats.client.impl.Headers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerArray;

class Client {
    static final Duration PATIENCE = Duration.ofSeconds(10);

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static Message next(Subscription subscription) throws InterruptedException {
        Message message = subscription.nextMessage(PATIENCE);
        check(message != null, "a message on " + subscription.getSubject());
        return message;
    }

    static String text(Message message) {
        return new String(message.getData());
    }

    static byte[] bytes(Object value) {
        return String.valueOf(value).getBytes();
    }

    public static void main(String[] args) throws Exception {
        Options options = Options.builder().server(args[0]).noReconnect().reportNoResponders().build();
        Connection one = Nats.connect(options);
        Connection two = Nats.connect(options);

        Subscription plain = one.subscribe("greet.joe");
        Subscription star = one.subscribe("greet.*");
        Subscription rest = one.subscribe("greet.>");
        one.flush(PATIENCE);
        two.publish("greet.joe", bytes("hello"));
        two.publish("greet.joe.twice", bytes("again"));
        check(text(next(plain)).equals("hello"), "plain");
        check(next(star).getSubject().equals("greet.joe"), "star");
        check(text(next(rest)).equals("hello") && text(next(rest)).equals("again"), "rest");
        System.out.println("PASS publish, subscribe, wildcards");

        AtomicIntegerArray counts = new AtomicIntegerArray(4);
        CountDownLatch all = new CountDownLatch(400);
        for (int at = 0; at < 4; at++) {
            int member = at;
            Connection connection = at % 2 == 0 ? one : two;
            Dispatcher dispatcher = connection.createDispatcher(message -> {
                counts.incrementAndGet(member);
                all.countDown();
            });
            dispatcher.subscribe("work", "workers");
            connection.flush(PATIENCE);
        }
        for (int number = 0; number < 400; number++) {
            two.publish("work", bytes(number));
        }
        check(all.await(10, TimeUnit.SECONDS), "400 arrive");
        one.flush(PATIENCE);
        int sum = 0;
        for (int at = 0; at < 4; at++) {
            check(counts.get(at) > 40, "an even spread: " + counts);
            sum += counts.get(at);
        }
        check(sum == 400, "each message once");
        System.out.println("PASS queue groups " + counts);

        two.createDispatcher(request ->
            two.publish(request.getReplyTo(), bytes(2 * Integer.parseInt(text(request))))
        ).subscribe("double");
        two.flush(PATIENCE);
        for (int number = 0; number < 100; number++) {
            Message answer = one.request("double", bytes(number), PATIENCE);
            check(text(answer).equals(String.valueOf(2 * number)), "twice " + number);
        }
        System.out.println("PASS request, reply");

        try {
            one.request("nobody", null).get(10, TimeUnit.SECONDS);
            check(false, "nobody answered");
        } catch (ExecutionException | CancellationException error) {
            check(String.valueOf(error).contains("503"), "no responders: " + error);
        }
        System.out.println("PASS no responders");

        Subscription headed = one.subscribe("headed");
        one.flush(PATIENCE);
        Headers headers = new Headers().add("Many", "first", "second").add("Trace-Id", "abc");
        two.publish("headed", headers, bytes("body"));
        Message got = next(headed);
        check(got.getHeaders().get("Many").equals(List.of("first", "second")), "both values");
        check(got.getHeaders().getFirst("Trace-Id").equals("abc"), "the other header");
        check(text(got).equals("body"), "the body");
        System.out.println("PASS headers");

        Subscription big = one.subscribe("big");
        one.flush(PATIENCE);
        byte[] payload = new byte[1 << 20];
        new Random(7).nextBytes(payload);
        two.publish("big", payload);
        check(Arrays.equals(next(big).getData(), payload), "1 MiB arrives unchanged");
        System.out.println("PASS 1 MiB payload");

        List<Subscription> many = new ArrayList<>();
        for (int number = 0; number < 1000; number++) {
            many.add(one.subscribe("many." + number));
        }
        one.flush(PATIENCE);
        for (int number = 0; number < 1000; number++) {
            two.publish("many." + number, bytes(number));
        }
        for (int number = 0; number < 1000; number++) {
            check(text(next(many.get(number))).equals(String.valueOf(number)), "subject " + number);
        }
        System.out.println("PASS 1000 subjects");

        Subscription few = one.subscribe("few");
        few.unsubscribe(3);
        Subscription after = one.subscribe("few");
        one.flush(PATIENCE);
        for (int number = 0; number < 5; number++) {
            two.publish("few", bytes(number));
        }
        for (int number = 0; number < 5; number++) {
            next(after);
        }
        for (int number = 0; number < 3; number++) {
            check(text(next(few)).equals(String.valueOf(number)), "few " + number);
        }
        check(!few.isActive(), "ended after three");
        System.out.println("PASS unsubscribe after a maximum");

        for (int number = 0; number < 500; number++) {
            Subscription subscription = one.subscribe("flush." + number);
            one.flush(PATIENCE);
            two.publish(subscription.getSubject(), bytes("x"));
            next(subscription);
            subscription.unsubscribe();
        }
        System.out.println("PASS a flush makes subscriptions visible");

        List<String> drained = new ArrayList<>();
        CountDownLatch hundred = new CountDownLatch(100);
        Dispatcher draining = one.createDispatcher(message -> {
            drained.add(text(message));
            hundred.countDown();
        });
        draining.subscribe("drained");
        one.flush(PATIENCE);
        for (int number = 0; number < 100; number++) {
            two.publish("drained", bytes(number));
        }
        two.flush(PATIENCE);
        check(hundred.await(10, TimeUnit.SECONDS), "100 arrive");
        check(draining.drain(PATIENCE).get(10, TimeUnit.SECONDS), "the dispatcher drains");
        for (int number = 0; number < 100; number++) {
            check(drained.get(number).equals(String.valueOf(number)), "in order");
        }
        check(one.drain(PATIENCE).get(20, TimeUnit.SECONDS), "the connection drains");
        two.close();
        check(one.getStatus() == Connection.Status.CLOSED, "closed");
        System.out.println("PASS drain and close");
    }
}
