// nats.go against the server whose URL is the only argument. Prints PASS lines; any failure ends
// the program with status 1.
package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const patience = 10 * time.Second

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func assert(holds bool, format string, args ...any) {
	if !holds {
		log.Panicf(format, args...)
	}
}

func next(sub *nats.Subscription) *nats.Msg { return must(sub.NextMsg(patience)) }

func main() {
	one := must(nats.Connect(os.Args[1], nats.NoReconnect()))
	two := must(nats.Connect(os.Args[1], nats.NoReconnect()))

	plain := must(one.SubscribeSync("greet.joe"))
	star := must(one.SubscribeSync("greet.*"))
	rest := must(one.SubscribeSync("greet.>"))
	check(one.Flush())
	check(two.Publish("greet.joe", []byte("hello")))
	check(two.Publish("greet.joe.twice", []byte("again")))
	assert(string(next(plain).Data) == "hello", "plain")
	assert(next(star).Subject == "greet.joe", "star")
	assert(string(next(rest).Data) == "hello" && string(next(rest).Data) == "again", "rest")
	fmt.Println("PASS publish, subscribe, wildcards")

	var counts [4]atomic.Int64
	for at, connection := range []*nats.Conn{one, two, one, two} {
		must(connection.QueueSubscribe("work", "workers", func(*nats.Msg) { counts[at].Add(1) }))
	}
	check(one.Flush())
	check(two.Flush())
	for number := range 400 {
		check(two.Publish("work", []byte(strconv.Itoa(number))))
	}
	sum := func() (sum int64) {
		for at := range counts {
			sum += counts[at].Load()
		}
		return sum
	}
	for deadline := time.Now().Add(patience); sum() < 400; check(two.Flush()) {
		assert(time.Now().Before(deadline), "%d of 400 arrived", sum())
	}
	for at := range counts {
		assert(counts[at].Load() > 40, "an even spread")
	}
	check(one.Flush())
	assert(sum() == 400, "each message once")
	fmt.Println("PASS queue groups")

	must(two.Subscribe("double", func(request *nats.Msg) {
		number := must(strconv.Atoi(string(request.Data)))
		check(request.Respond([]byte(strconv.Itoa(2 * number))))
	}))
	check(two.Flush())
	for number := range 100 {
		answer := must(one.Request("double", []byte(strconv.Itoa(number)), patience))
		assert(string(answer.Data) == strconv.Itoa(2*number), "%s", answer.Data)
	}
	fmt.Println("PASS request, reply")

	_, err := one.Request("nobody", nil, patience)
	assert(errors.Is(err, nats.ErrNoResponders), "%v", err)
	fmt.Println("PASS no responders")

	headed := must(one.SubscribeSync("headed"))
	check(one.Flush())
	sent := nats.NewMsg("headed")
	sent.Data = []byte("body")
	sent.Header.Add("Many", "first")
	sent.Header.Add("Many", "second")
	check(two.PublishMsg(sent))
	got := next(headed)
	assert(fmt.Sprint(got.Header) == fmt.Sprint(sent.Header), "%v", got.Header)
	assert(string(got.Data) == "body", "%s", got.Data)
	fmt.Println("PASS headers")

	big := must(one.SubscribeSync("big"))
	check(one.Flush())
	payload := make([]byte, 1<<20)
	must(rand.Read(payload))
	check(two.Publish("big", payload))
	assert(bytes.Equal(next(big).Data, payload), "1 MiB arrives unchanged")
	assert(errors.Is(two.Publish("big", make([]byte, 1<<20+1)), nats.ErrMaxPayload), "no more")
	fmt.Println("PASS 1 MiB payload")

	var many []*nats.Subscription
	for number := range 1000 {
		many = append(many, must(one.SubscribeSync(fmt.Sprintf("many.%d", number))))
	}
	check(one.Flush())
	for number := range many {
		check(two.Publish(fmt.Sprintf("many.%d", number), []byte(strconv.Itoa(number))))
	}
	for number, sub := range many {
		assert(string(next(sub).Data) == strconv.Itoa(number), "subject %d", number)
	}
	fmt.Println("PASS 1000 subjects")

	few := must(one.SubscribeSync("few"))
	check(few.AutoUnsubscribe(3))
	after := must(one.SubscribeSync("few"))
	check(one.Flush())
	for number := range 5 {
		check(two.Publish("few", []byte(strconv.Itoa(number))))
	}
	for range 5 {
		next(after)
	}
	for range 3 {
		next(few)
	}
	_, err = few.NextMsg(patience)
	assert(errors.Is(err, nats.ErrMaxMessages) || errors.Is(err, nats.ErrBadSubscription), "%v", err)
	fmt.Println("PASS unsubscribe after a maximum")

	for number := range 500 {
		sub := must(one.SubscribeSync(fmt.Sprintf("flush.%d", number)))
		check(one.Flush())
		check(two.Publish(sub.Subject, []byte("x")))
		next(sub)
		check(sub.Unsubscribe())
	}
	fmt.Println("PASS a flush makes subscriptions visible")

	drained := make(chan string, 100)
	draining := must(one.Subscribe("drained", func(m *nats.Msg) { drained <- string(m.Data) }))
	last := must(one.SubscribeSync("drained"))
	check(one.Flush())
	for number := range 100 {
		check(two.Publish("drained", []byte(strconv.Itoa(number))))
	}
	for range 100 {
		next(last)
	}
	check(draining.Drain())
	for number := range 100 {
		assert(<-drained == strconv.Itoa(number), "drained in order")
	}
	closed := make(chan struct{})
	one.SetClosedHandler(func(*nats.Conn) { close(closed) })
	check(one.Drain())
	select {
	case <-closed:
	case <-time.After(patience):
		log.Panic("drain did not end")
	}
	two.Close()
	fmt.Println("PASS drain and close")

	streams(os.Args[1])
}
