package sdk

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/webhook"
)

const webhooksPage = "../../docs/webhooks.md"

// message is what a receiver gets, and whether it is to believe it.
type message struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Now     int64             `json:"now"` // Unix seconds, 0 for the present
	want    bool
}

// messages are good and bad ones, the first of them that of the specification.
func messages(t *testing.T) []message {
	t.Helper()
	first, second := webhook.NewSecret(), webhook.NewSecret()
	now := time.Now()
	const body = `{"type":"wallet.credited","data":{"amount":9007199254740991,"reason":"größer – 大"}}`
	sign := func(at time.Time, secrets ...webhook.Secret) map[string]string {
		return map[string]string{
			"webhook-id": "evt_1", "webhook-timestamp": strconv.FormatInt(at.Unix(), 10),
			"webhook-signature": webhook.Signature("evt_1", at, []byte(body), secrets...),
		}
	}
	change := func(name, value string) map[string]string {
		headers := sign(now, first)
		headers[name] = value
		return headers
	}
	good := sign(now, first)["webhook-signature"]
	list := []message{
		{Name: "of the specification", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Body: `{"test": 2432232314}`, Now: 1614265330, want: true,
			Headers: map[string]string{
				"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330",
				"webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
			}},
		{Name: "its own", Headers: sign(now, first), want: true},
		{Name: "first of a rotation", Headers: sign(now, first, second), want: true},
		{Name: "second of a rotation", Headers: sign(now, second, first), want: true},
		{Name: "four minutes old", Headers: sign(now.Add(-4*time.Minute), first), want: true},
		{Name: "beside another version", Headers: change("webhook-signature", "v1a,AAAA "+good), want: true},
		{Name: "of another secret", Headers: sign(now, second)},
		{Name: "six minutes old", Headers: sign(now.Add(-6*time.Minute), first)},
		{Name: "six minutes ahead", Headers: sign(now.Add(6*time.Minute), first)},
		{Name: "another body", Headers: sign(now, first), Body: body + " "},
		{Name: "another id", Headers: change("webhook-id", "evt_2")},
		{Name: "another time", Headers: change("webhook-timestamp", strconv.FormatInt(now.Unix()+1, 10))},
		{Name: "a time that is none", Headers: change("webhook-timestamp", "soon")},
		{Name: "no signature", Headers: change("webhook-signature", "")},
		{Name: "no signature that is known", Headers: change("webhook-signature", "v2,"+strings.TrimPrefix(good, "v1,"))},
		{Name: "a signature that is cut", Headers: change("webhook-signature", good[:len(good)-4])},
		{Name: "a signature that is no base64", Headers: change("webhook-signature", "v1,é")},
		{Name: "nothing at all", Headers: map[string]string{}},
	}
	for i := range list {
		if list[i].Secret == "" {
			list[i].Secret = first.Text()
		}
		if list[i].Body == "" {
			list[i].Body = body
		}
	}
	return list
}

// snippet returns the block of a language from the page about webhooks.
func snippet(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(webhooksPage)
	if err != nil {
		t.Fatal(err)
	}
	_, block, begun := strings.Cut(string(page), "```"+language+"\n")
	block, _, ended := strings.Cut(block, "```\n")
	if !begun || !ended || strings.Contains(string(page), "```"+language+"\n"+block+"```\n\n```"+language) {
		t.Fatalf("%s has no one block of %s", webhooksPage, language)
	}
	return block
}

// drivers feed the messages to a snippet and print for each whether it was believed.
var drivers = map[string]struct {
	command []string
	before  string
	after   string
}{
	"js": {command: []string{"node", "--input-type=module", "-"}, after: `
import { readFileSync } from 'node:fs';
const present = Date.now;
for (const m of JSON.parse(readFileSync(process.env.MESSAGES, 'utf8'))) {
  Date.now = m.now ? () => m.now * 1000 : present;
  let got = 'refused';
  try {
    receive(m.secret, m.headers, m.body);
    got = 'believed';
  } catch {}
  console.log(got);
}
`},
	"python": {command: []string{"python3", "-"}, after: `
import os

with open(os.environ["MESSAGES"], encoding="utf-8") as messages:
    for m in json.load(messages):
        try:
            receive(m["secret"], m["headers"], m["body"].encode(), m["now"] or None)
            print("believed")
        except ValueError:
            print("refused")
`},
	"php": {command: []string{"php"}, before: "<?php\n", after: `
foreach (json_decode(file_get_contents(getenv('MESSAGES')), true) as $m) {
    try {
        receive($m['secret'], $m['headers'], $m['body'], $m['now'] ?: null);
        echo "believed\n";
    } catch (UnexpectedValueException) {
        echo "refused\n";
    }
}
`},
}

// TestSnippetsVerify runs what the page tells receivers to do.
func TestSnippetsVerify(t *testing.T) {
	t.Parallel()
	list := messages(t)
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "messages.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for language, driver := range drivers {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), driver.command[0], driver.command[1:]...)
			command.Dir = "../node"
			command.Env = append(command.Environ(), "MESSAGES="+file)
			command.Stdin = strings.NewReader(driver.before + snippet(t, language) + driver.after)
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("got error %v, want none\n%s", err, out)
			}
			lines := strings.Fields(string(out))
			if len(lines) != len(list) {
				t.Fatalf("got %d lines, want %d\n%s", len(lines), len(list), out)
			}
			for i, m := range list {
				if got := lines[i] == "believed"; got != m.want {
					t.Errorf("%s: got it believed: %t, want %t", m.Name, got, m.want)
				}
			}
		})
	}
}

// The snippet in Go is receive, letter by letter.
func TestGoSnippetVerifies(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("receive_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(source), "\n\n"+snippet(t, "go")) {
		t.Errorf("receive_test.go does not end with the snippet of %s", webhooksPage)
	}
	for _, m := range messages(t) {
		if m.Now != 0 {
			continue // the library has no other clock
		}
		request, err := http.NewRequest(http.MethodPost, "https://example.com/", strings.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range m.Headers {
			request.Header.Set(name, value)
		}
		body, err := receive(m.Secret, request)
		if (err == nil) != m.want || string(body) != m.Body {
			t.Errorf("%s: got %s and error %v, want the body and it believed: %t", m.Name, body, err, m.want)
		}
	}
}
