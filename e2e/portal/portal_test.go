// Package portal looks at the portal as customers do, in a browser.
package portal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/billfold/billfold/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestInABrowser has node's runner run the tests beside this file, which start a headless
// Chromium and do what a customer does.
func TestInABrowser(t *testing.T) {
	server := harness.Start(t, harness.Options{})
	tests, err := filepath.Abs("portal.test.js")
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"BILLFOLD_URL=http://" + server.Addr, "BILLFOLD_TEST_KEY=" + harness.TestKey, "BILLFOLD_LIVE_KEY=" + harness.LiveKey,
	}
	harness.NodeTests(t, "../../web", environ, `[1-9]\d*`, tests) // whose packages have the browser's driver
}
