package webhook_test

import (
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/webhook"
)

// hostile are URLs that lead, or may be read to lead, to where no receiver of a
// stranger has any business.
var hostile = []string{
	// This machine, in every spelling that some resolver or library reads.
	"https://127.0.0.1/", "https://127.0.0.1:8443/", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/",
	"https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://017700000001/", "https://127.0.0.1./", "https://127.000.000.001/",
	"https://0/", "https://0.0.0.0/", "https://0x0/", "https://00/", "https://127.255.255.254/", "https://[::1]/", "https://[::]/",
	"https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
	"https://[::ffff:0:127.0.0.1]/", "https://[64:ff9b::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::7f00:1]/",
	"https://[2002:7f00:1::]/", "https://[2001:0:7f00:1::]/", "https://[::1%25lo]/", "https://[fe80::1%25eth0]/", "https://[fe80::1]/",
	"https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://localhost.localdomain/",
	// Networks of others' own, and what clouds tell their machines.
	"https://10.0.0.1/", "https://10.255.255.255/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.0.1/",
	"https://169.254.169.254/", "https://169.254.170.2/", "https://168.63.129.16/", "https://2852039166/", "https://0xa9fea9fe/", "https://0251.0376.0251.0376/",
	"https://[::ffff:169.254.169.254]/", "https://[::ffff:a9fe:a9fe]/", "https://[fd00:ec2::254]/", "https://[fc00::1]/",
	"https://[64:ff9b::a9fe:a9fe]/", "https://[2002:a9fe:a9fe::]/", "https://[::ffff:10.0.0.1]/", "https://100.64.0.1/",
	"https://100.127.255.255/", "https://metadata.google.internal/", "https://metadata/", "https://router.lan/", "https://printer.local/",
	"https://nas.home.arpa/", "https://wiki.intranet/", "https://consul.service.internal./",
	// What belongs to nobody or to everybody.
	"https://192.0.0.1/", "https://192.0.2.1/", "https://198.18.0.1/", "https://198.19.255.255/", "https://198.51.100.1/",
	"https://203.0.113.1/", "https://192.88.99.1/", "https://224.0.0.1/", "https://239.255.255.255/", "https://240.0.0.1/",
	"https://255.255.255.255/", "https://[ff02::1]/", "https://[2001:db8::1]/", "https://[100::1]/", "https://[5f00::1]/",
	"https://[3fff::1]/", "https://[fec0::1]/", "https://[4000::1]/",
	// What is no receiver's URL at all.
	"", "https://", "https:///path", "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
	"javascript:alert(1)", "//example.com/", "example.com", "/webhooks", "https:example.com", "https://user@example.com/",
	"https://user:secret@example.com/", "https://example.com@127.0.0.1/", "https://127.0.0.1#@example.com/", "https://127.0.0.1?@example.com/",
	"https://127.0.0.1\\@example.com/", "https://example.com\\.evil.com/", "https://example.com:0/", "https://example.com:65536/",
	"https://example.com:/", "https://example.com:-1/", "https://example.com:http/", "https://exa mple.com/", "https://example.com/\r\nHost: x",
	"https://example.com/\x00", "https://①②⑦.⓪.⓪.①/", "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://例え.jp/", "https://127。0。0。1/",
	"https://%31%32%37.0.0.1/", "https://exa%6dple.com/", "https://.example.com/", "https://example..com/", "https://./", "https://../",
	"https://[::1/", "https://::1/", "https://[]/", "https://[example.com]/", "https://1.2.3.4.5/", "https://999.1.1.1/", "https://example.123/",
	"https://example.0x7f/", "https://ex*mple.com/", "https://example.com,127.0.0.1/", "https://com/",
	"https://example.com/" + strings.Repeat("a", webhook.URLMax),
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	strict, loopback := webhook.NewGuard(false), webhook.NewGuard(true)
	for _, url := range hostile {
		if err := strict.CheckURL(url); err == nil {
			t.Errorf("%.80q: got it accepted, want it refused", url)
		} else if len(err.Error()) > 150 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.80q: got %q, want a sentence without what was sent", url, err)
		}
	}
	for _, url := range []string{
		"https://example.com", "https://example.com/", "HTTPS://EXAMPLE.COM/Path?query=1#fragment", "https://example.com:8443/hooks",
		"https://xn--r8jz45g.jp/", "https://a.b-c.d_e.example.com./", "https://8.8.8.8/", "https://[2606:4700::1111]:443/",
		"https://example.com/%00%20", "https://localhost.example.com/", "https://internal.example.com/", "https://1and1.com/",
	} {
		if err := strict.CheckURL(url); err != nil {
			t.Errorf("%q: got %v, want it accepted", url, err)
		}
	}
	for url, want := range map[string]bool{
		"http://127.0.0.1:8080/": true, "https://127.0.0.1/": true, "http://[::1]:1/": true, "http://localhost:3000/": true,
		"http://example.com/": false, "http://10.0.0.1/": false, "https://10.0.0.1/": false, "https://169.254.169.254/": false,
		"http://[::ffff:127.0.0.1]/": false, "http://2130706433/": false, "http://8.8.8.8/": false, "http://user@localhost/": false,
	} {
		if err := loopback.CheckURL(url); (err == nil) != want {
			t.Errorf("%q where loopback is allowed: got %v, want it accepted: %v", url, err, want)
		}
	}
}

func TestCheckHeader(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Token", "authorization", "a", "X_1", strings.Repeat("a", webhook.HeaderNameMax)} {
		if err := webhook.CheckHeader(name, "Bearer a b~"); err != nil {
			t.Errorf("%q: got %v, want it accepted", name, err)
		}
	}
	for _, name := range []string{
		"", "host", "HOST", "Content-Length", "transfer-encoding", "webhook-id", "Webhook-Signature", "webhook-anything", "a b", "a:", "é",
		"a\r\nb", "webhook_signature", "content_length", "connection", "User-Agent", "te", strings.Repeat("a", webhook.HeaderNameMax+1),
	} {
		if err := webhook.CheckHeader(name, "v"); err == nil {
			t.Errorf("%q: got it accepted, want it refused", name)
		}
	}
	for _, value := range []string{"a\r\nb: c", "a\nb", "a\x00", "é", "\t", strings.Repeat("a", webhook.HeaderValueMax+1)} {
		if err := webhook.CheckHeader("X-Token", value); err == nil {
			t.Errorf("value %.20q: got it accepted, want it refused", value)
		}
	}
}
