package access

// CacheSize is how many keys a Directory remembers.
func CacheSize(d *Directory) int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.known)
}

// Addresses is how many addresses a Backoff remembers.
func Addresses(b *Backoff) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.failures)
}

// AddressesMax is how many addresses a Backoff may remember.
const AddressesMax = addressesMax
