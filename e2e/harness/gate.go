package harness

import (
	"context"
	"sync"
)

// gate is where clients learn which server to speak to. It is closed while no
// server runs, and clients wait at it.
type gate struct {
	mu     sync.Mutex
	client *Client
	moved  chan struct{} // closed at the next change
}

func newGate() *gate { return &gate{moved: make(chan struct{})} }

// open lets the waiting clients through; nil closes the gate.
func (g *gate) open(client *Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.client = client
	close(g.moved)
	g.moved = make(chan struct{})
}

// next returns a client other than the last one, whose server went away.
func (g *gate) next(ctx context.Context, last *Client) (*Client, error) {
	for {
		g.mu.Lock()
		client, moved := g.client, g.moved
		g.mu.Unlock()
		if client != nil && client != last {
			return client, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
