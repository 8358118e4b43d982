// Command billfold is the whole program; package cli holds its command line.
package main

import (
	"context"
	"os"

	"github.com/billfold/billfold/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
