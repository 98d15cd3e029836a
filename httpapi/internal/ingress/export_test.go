package ingress

// Len returns the number of buckets.
func (l *Limiter) Len() int { return l.addresses.Len() + l.users.Len() }
