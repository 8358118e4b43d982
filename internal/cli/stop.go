package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// stack is what was started, to be stopped in reverse.
type stack struct {
	timeout time.Duration
	logger  *slog.Logger
	steps   []stopStep
}

type stopStep struct {
	name string
	stop func(context.Context) error
}

func (s *stack) push(name string, stop func(context.Context) error) {
	s.steps = append(s.steps, stopStep{name, stop})
}

// stop runs every step, in reverse, within the time-out altogether.
func (s *stack) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	var problems []error
	for i := len(s.steps) - 1; i >= 0; i-- {
		began := time.Now()
		step := s.steps[i]
		if err := step.stop(ctx); err != nil {
			problems = append(problems, fmt.Errorf("stop %s: %w", step.name, err))
		}
		s.logger.Debug("stopped", "part", step.name, "took", time.Since(began))
	}
	return errors.Join(problems...)
}

// serve serves a handler on a listener until it is stopped; failed receives
// why it ended before that.
func (s *stack) serve(name string, server *http.Server, listener net.Listener, failed chan<- error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("%s: %w", name, err)
		}
	}()
	s.push(name, func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			// What is left are clients that are still sending or reading, not
			// requests that were accepted whole: the store answers those
			// within the time-out.
			s.logger.Warn("some connections did not end in time and were cut", "part", name)
			err = server.Close()
		}
		<-ended
		return err
	})
}

// closeListener is for a listener that nobody serves yet.
func closeListener(listener net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
