package auth

// CheckHash reports a text that is no hash in the PHC string format, and whether a sound one is written back as it was read.
func CheckHash(text string) (again string, err error) {
	p, err := parsePHC(text)
	return p.String(), err
}
