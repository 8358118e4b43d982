package webhook_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/billfold/billfold/internal/webhook"
)

// The vector of the specification, which every library is tested on.
func TestSignatureIsThatOfTheSpecification(t *testing.T) {
	t.Parallel()
	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Signature("msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), secret)
	const want = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The official library accepts what is signed with its secret, alone and beside
// another while secrets are rotated, and nothing else.
func TestOfficialLibraryVerifies(t *testing.T) {
	t.Parallel()
	first, second, other := webhook.NewSecret(), webhook.NewSecret(), webhook.NewSecret()
	for name, test := range map[string]struct {
		secrets []webhook.Secret
		body    string
		age     time.Duration
		want    bool
	}{
		"its own":               {[]webhook.Secret{first}, "{}", 0, true},
		"first of a rotation":   {[]webhook.Secret{second, first}, "{}", 0, true},
		"second of a rotation":  {[]webhook.Secret{first, second}, "{}", 0, true},
		"of another":            {[]webhook.Secret{other}, "{}", 0, false},
		"another body":          {[]webhook.Secret{first}, "{ }", 0, false},
		"six minutes old":       {[]webhook.Secret{first}, "{}", 6 * time.Minute, false},
		"nothing to sign with":  {nil, "{}", 0, false},
		"a secret of no length": {[]webhook.Secret{{}}, "{}", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			verifier, err := standardwebhooks.NewWebhook(first.Text())
			if err != nil {
				t.Fatal(err)
			}
			at := time.Now().Add(-test.age)
			err = verifier.Verify([]byte(test.body), http.Header{
				"Webhook-Id":        {"evt_1"},
				"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
				"Webhook-Signature": {webhook.Signature("evt_1", at, []byte("{}"), test.secrets...)},
			})
			if (err == nil) != test.want {
				t.Errorf("got %v, want it accepted: %v", err, test.want)
			}
		})
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	drawn := webhook.NewSecret()
	if again, err := webhook.ParseSecret(drawn.Text()); err != nil || again != drawn {
		t.Errorf("got %v and another secret, want the same", err)
	}
	for _, text := range []string{
		"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "whsec_" + strings.Repeat("AAAA", 22), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La\nLaSw",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
	} {
		if _, err := webhook.ParseSecret(text); err == nil {
			t.Errorf("secret %q: got it accepted, want it refused", text)
		}
	}
	for _, format := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
		if printed := fmt.Sprintf(format, drawn); strings.Contains(printed, drawn.Text()[10:20]) {
			t.Errorf("%s: got the secret printed", format)
		}
	}
}
