package auth_test

import (
	"encoding/base64"

	"golang.org/x/crypto/argon2"
)

// weakHash is a hash of password at a cost lower than any that a server ever used.
func weakHash(password string) string {
	salt := []byte("8 bytes!")
	key := argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)
	return "$argon2id$v=19$m=8,t=1,p=1$" + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}
