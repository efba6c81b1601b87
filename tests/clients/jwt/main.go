// Operator mode with the official libraries: `jwt make FOLDER` writes a server's configuration and
// credentials files by github.com/nats-io/jwt/v2, `jwt check URL FOLDER` connects with each of
// them by nats.go and compares who is let in, and what they may publish, with what must be.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func check(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func public(pair nkeys.KeyPair) string { return must(pair.PublicKey()) }

func seed(pair nkeys.KeyPair) []byte { return must(pair.Seed()) }

// world is an operator, its accounts, and the credentials that were made.
type world struct {
	folder   string
	operator nkeys.KeyPair
	preload  strings.Builder
	cases    strings.Builder
}

func (w *world) account(pair nkeys.KeyPair, signer nkeys.KeyPair, change func(*jwt.AccountClaims)) {
	claims := jwt.NewAccountClaims(public(pair))
	change(claims)
	fmt.Fprintf(&w.preload, "  %s: %s\n", public(pair), must(claims.Encode(signer)))
}

// user writes credentials and what must come of them: "in" or "out", and subjects that may be
// published ("+a") or not ("-a").
func (w *world) user(
	name, verdict string, of, signer nkeys.KeyPair, change func(*jwt.UserClaims) nkeys.KeyPair,
) {
	pair := must(nkeys.CreateUser())
	claims := jwt.NewUserClaims(public(pair))
	claims.Name = name
	if public(of) != public(signer) {
		claims.IssuerAccount = public(of)
	}
	if other := change(claims); other != nil {
		pair = other
	}
	text := must(jwt.FormatUserConfig(must(claims.Encode(signer)), seed(pair)))
	check(os.WriteFile(filepath.Join(w.folder, name+".creds"), text, 0o600))
	fmt.Fprintf(&w.cases, "%s %s\n", name, verdict)
}

func make_(folder string) {
	w := &world{folder: folder, operator: must(nkeys.CreateOperator())}
	account, signing, scoped := must(nkeys.CreateAccount()), must(nkeys.CreateAccount()),
		must(nkeys.CreateAccount())
	strict, full, foreign, system := must(nkeys.CreateAccount()), must(nkeys.CreateAccount()),
		must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
	ended, stranger := must(nkeys.CreateAccount()), must(nkeys.CreateAccount())
	revoked := must(nkeys.CreateUser())
	plain := func(*jwt.AccountClaims) {}

	w.account(account, w.operator, func(claims *jwt.AccountClaims) {
		claims.SigningKeys.Add(public(signing))
		scope := jwt.NewUserScope()
		scope.Key, scope.Role = public(scoped), "member"
		scope.Template.Pub.Allow.Add("of.{{name()}}.>", "team.{{tag(team)}}", "of.{{tag(none)}}")
		scope.Template.Pub.Deny.Add("of.{{subject()}}")
		claims.SigningKeys.AddScopedSigner(scope)
		claims.RevokeAt(public(revoked), time.Now().Add(time.Minute))
		claims.DefaultPermissions.Pub.Deny.Add("secret")
	})
	w.account(strict, w.operator, func(claims *jwt.AccountClaims) {
		claims.Limits.DisallowBearer = true
	})
	w.account(full, w.operator, func(claims *jwt.AccountClaims) { claims.Limits.Conn = 0 })
	w.account(ended, w.operator, func(claims *jwt.AccountClaims) {
		claims.Expires = time.Now().Add(-time.Minute).Unix()
	})
	w.account(foreign, must(nkeys.CreateOperator()), plain)
	w.account(system, w.operator, plain)

	in := func(name string, change func(*jwt.UserClaims)) {
		w.user(name, "in", account, account, func(claims *jwt.UserClaims) nkeys.KeyPair {
			change(claims)
			return nil
		})
	}
	out := func(name string, change func(*jwt.UserClaims)) {
		w.user(name, "out", account, account, func(claims *jwt.UserClaims) nkeys.KeyPair {
			change(claims)
			return nil
		})
	}
	same := func(*jwt.UserClaims) nkeys.KeyPair { return nil }
	w.user("plain", "in +a -secret", account, account, same)
	w.user("by_signing_key", "in +a -secret", account, signing, same)
	w.user("by_scoped_key", "in +of.by_scoped_key.x -of.ann.x +team.red +team.blue -team.green",
		account, scoped, func(claims *jwt.UserClaims) nkeys.KeyPair {
			claims.SetScoped(true)
			claims.Tags.Add("team:red", "team:blue")
			return nil
		})
	w.user("scoped_and_claims", "out", account, scoped, same)
	w.user("by_stranger", "out", account, stranger, same)
	w.user("of_stranger", "out", stranger, stranger, same)
	w.user("of_foreign_operator", "out", foreign, foreign, same)
	w.user("of_ended_account", "out", ended, ended, same)
	w.user("of_full_account", "out", full, full, same)
	w.user("with_wrong_key", "out", account, account, func(*jwt.UserClaims) nkeys.KeyPair {
		return must(nkeys.CreateUser())
	})
	w.user("bearer", "in", account, account, func(claims *jwt.UserClaims) nkeys.KeyPair {
		claims.BearerToken = true
		return must(nkeys.CreateUser())
	})
	w.user("bearer_refused", "out", strict, strict, func(claims *jwt.UserClaims) nkeys.KeyPair {
		claims.BearerToken = true
		return nil
	})
	w.user("revoked", "out", account, account, func(claims *jwt.UserClaims) nkeys.KeyPair {
		claims.Subject = public(revoked)
		return revoked
	})
	w.user("system", "in", system, system, same)
	in("own_permissions", func(claims *jwt.UserClaims) { claims.Pub.Allow.Add("a.*") })
	// No server enforces how much data a user may send.
	w.user("little_data", "in +a +a +b", account, account,
		func(claims *jwt.UserClaims) nkeys.KeyPair {
			claims.Limits.Data = 1
			return nil
		})
	in("lives_long", func(claims *jwt.UserClaims) { claims.Expires = time.Now().Unix() + 3600 })
	out("ended", func(claims *jwt.UserClaims) { claims.Expires = time.Now().Unix() - 60 })
	out("early", func(claims *jwt.UserClaims) { claims.NotBefore = time.Now().Unix() + 3600 })
	in("from_here", func(claims *jwt.UserClaims) { claims.Src.Add("127.0.0.0/8", "::1/128") })
	out("from_elsewhere", func(claims *jwt.UserClaims) { claims.Src.Add("10.0.0.0/8") })
	in("standard", func(claims *jwt.UserClaims) { claims.AllowedConnectionTypes.Add("STANDARD") })
	out("by_mqtt", func(claims *jwt.UserClaims) { claims.AllowedConnectionTypes.Add("MQTT") })
	out("by_pigeon", func(claims *jwt.UserClaims) { claims.AllowedConnectionTypes.Add("PIGEON") })
	in("by_pigeon_or_standard", func(claims *jwt.UserClaims) {
		claims.AllowedConnectionTypes.Add("PIGEON", "STANDARD")
	})
	at := func(from, to time.Duration) func(*jwt.UserClaims) {
		now := time.Now().UTC()
		return func(claims *jwt.UserClaims) {
			start, end := now.Add(from).Format("15:04:05"), now.Add(to).Format("15:04:05")
			claims.Times = []jwt.TimeRange{{Start: start, End: end}}
			claims.Locale = "UTC"
		}
	}
	in("in_time", at(-time.Minute, time.Hour))
	out("out_of_time", at(2*time.Hour, 3*time.Hour))

	operator := jwt.NewOperatorClaims(public(w.operator))
	operator.SystemAccount = public(system)
	path := filepath.Join(folder, "operator.jwt")
	token := must(jwt.DecorateJWT(must(operator.Encode(w.operator))))
	check(os.WriteFile(path, token, 0o600))
	config := fmt.Sprintf("operator: %q\nresolver: MEMORY\nresolver_preload {\n%s}\n", path,
		w.preload.String())
	check(os.WriteFile(filepath.Join(folder, "server.conf"), []byte(config), 0o600))
	check(os.WriteFile(filepath.Join(folder, "cases"), []byte(w.cases.String()), 0o600))
}

// verdict is what a server makes of one credentials file.
func verdict(url, creds string, wanted []string) []string {
	refused := make(chan error, 16)
	client, err := nats.Connect(url, nats.UserCredentials(creds), nats.NoReconnect(),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		return []string{"out"}
	}
	defer client.Close()
	found := []string{"in"}
	for _, action := range wanted {
		subject := action[1:]
		check(client.Publish(subject, []byte("some bytes")))
		// What is refused is said before the PONG, and handed to the handler's own thread.
		check(client.Flush())
		select {
		case <-refused:
			found = append(found, "-"+subject)
		case <-time.After(200 * time.Millisecond):
			found = append(found, "+"+subject)
		}
	}
	return found
}

func checkAll(url, folder string) {
	file := must(os.Open(filepath.Join(folder, "cases")))
	defer file.Close()
	count := 0
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		fields := strings.Fields(lines.Text())
		name, expected := fields[0], fields[1:]
		found := verdict(url, filepath.Join(folder, name+".creds"), expected[1:])
		if strings.Join(found, " ") != strings.Join(expected, " ") {
			log.Panicf("%s: expected %v, found %v", name, expected, found)
		}
	}
	fmt.Printf("PASS %d credentials files by nats.go\n", count)
}

func main() {
	switch os.Args[1] {
	case "make":
		make_(os.Args[2])
	case "check":
		checkAll(os.Args[2], os.Args[3])
	}
}
