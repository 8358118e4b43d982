package cli

import (
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
)

// newLogger writes JSON for machines, and text for people: coloured on a
// terminal, plain elsewhere.
func newLogger(config Config, to io.Writer, noColour bool) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(config.LogLevel)); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	switch {
	case config.LogFormat == "json":
		return slog.New(slog.NewJSONHandler(to, options)), nil
	case isTerminal(to):
		return slog.New(tint.NewTextHandler(to, &tint.Options{
			Level: level, TimeFormat: time.TimeOnly, NoColor: noColour,
		})), nil
	default:
		return slog.New(slog.NewTextHandler(to, options)), nil
	}
}
