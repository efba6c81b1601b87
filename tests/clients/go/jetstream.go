// nats.go's JetStream, key-value and object store.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func streams(url string) {
	connection := must(nats.Connect(url, nats.NoReconnect()))
	defer connection.Close()
	js := must(jetstream.New(connection))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	config := jetstream.StreamConfig{Name: "GO", Subjects: []string{"go.>"}}
	stream := must(js.CreateStream(ctx, config))
	var acks []jetstream.PubAckFuture
	for number := range 1000 {
		subject := fmt.Sprintf("go.%d", number)
		acks = append(acks, must(js.PublishAsync(subject, []byte(strconv.Itoa(number)))))
	}
	for number, ack := range acks {
		select {
		case stored := <-ack.Ok():
			assert(stored.Sequence == uint64(number+1), "%v", stored)
		case err := <-ack.Err():
			check(err)
		case <-time.After(patience):
			assert(false, "no acknowledgement of %d", number)
		}
	}
	durable := jetstream.ConsumerConfig{Durable: "puller", AckPolicy: jetstream.AckExplicitPolicy}
	puller := must(stream.CreateOrUpdateConsumer(ctx, durable))
	for taken := 0; taken < 1000; {
		batch := must(puller.Fetch(100, jetstream.FetchMaxWait(patience)))
		for message := range batch.Messages() {
			assert(string(message.Data()) == strconv.Itoa(taken), "%s for %d", message.Data(), taken)
			check(message.DoubleAck(ctx))
			taken++
		}
		check(batch.Error())
	}
	info := must(puller.Info(ctx))
	assert(info.NumPending == 0 && info.NumAckPending == 0, "%+v", info)
	fmt.Println("PASS publish, pull, acknowledge")

	ordered := must(stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{}))
	messages := must(ordered.Messages())
	for number := range 1000 {
		message := must(messages.Next())
		assert(string(message.Data()) == strconv.Itoa(number), "%s", message.Data())
	}
	messages.Stop()
	fmt.Println("PASS ordered consumer")

	check(stream.Purge(ctx, jetstream.WithPurgeSubject("go.7")))
	assert(must(stream.Info(ctx)).State.Msgs == 999, "one was purged")
	last := must(stream.GetLastMsgForSubject(ctx, "go.42"))
	assert(string(last.Data) == "42", "%s", last.Data)
	_, err := stream.GetMsg(ctx, 8)
	assert(errors.Is(err, jetstream.ErrMsgNotFound), "%v", err)
	check(js.DeleteStream(ctx, "GO"))
	fmt.Println("PASS purge, message get, delete")

	queue := jetstream.StreamConfig{
		Name: "GOQ", Subjects: []string{"goq"}, Retention: jetstream.WorkQueuePolicy,
	}
	works := must(js.CreateStream(ctx, queue))
	for number := range 20 {
		must(js.Publish(ctx, "goq", []byte(strconv.Itoa(number))))
	}
	worker := must(works.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "w"}))
	for message := range must(worker.Fetch(20, jetstream.FetchMaxWait(patience))).Messages() {
		check(message.DoubleAck(ctx))
	}
	assert(must(works.Info(ctx)).State.Msgs == 0, "a work queue forgets what is done")
	check(js.DeleteStream(ctx, "GOQ"))
	fmt.Println("PASS work queue")

	bucket := must(js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "gokv", History: 5}))
	first := must(bucket.PutString(ctx, "a", "1"))
	must(bucket.Update(ctx, "a", []byte("2"), first))
	_, err = bucket.Update(ctx, "a", []byte("3"), first)
	assert(err != nil, "another revision")
	_, err = bucket.Create(ctx, "a", nil)
	assert(errors.Is(err, jetstream.ErrKeyExists), "%v", err)
	assert(string(must(bucket.Get(ctx, "a")).Value()) == "2", "the newest value")
	assert(len(must(bucket.History(ctx, "a"))) == 2, "both values")
	must(bucket.PutString(ctx, "b", "x"))
	check(bucket.Delete(ctx, "b"))
	assert(fmt.Sprint(must(bucket.Keys(ctx))) == "[a]", "one key is left")
	check(js.DeleteKeyValue(ctx, "gokv"))
	fmt.Println("PASS key-value store")

	objects := must(js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: "goobj"}))
	content := make([]byte, 700_000)
	must(rand.Read(content))
	must(objects.PutBytes(ctx, "thing", content))
	assert(bytes.Equal(must(objects.GetBytes(ctx, "thing")), content), "what went in")
	assert(len(must(objects.List(ctx))) == 1, "one object")
	check(objects.Delete(ctx, "thing"))
	check(js.DeleteObjectStore(ctx, "goobj"))
	fmt.Println("PASS object store")
}
