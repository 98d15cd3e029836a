// Package auth authenticates requests. It connects to the API's handlers through one interface, [Authenticator]. A host
// with its own users implements it in three lines:
//
//	host := auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
//		return auth.Identity{Owner: ownerOf(r), Scopes: auth.AllScopes}, nil
//	})
//
// The package has two implementations: [Service] for local accounts and [OIDCAuthenticator] for the tokens of an OpenID
// Connect provider. [AnyOf] combines several.
//
// # Local accounts
//
// [Users] creates and erases accounts. An account has an e-mail address (at most 254 bytes, RFC 5321), a password and
// one ledger. Passwords follow the recommendations of NIST SP 800-63B: they have 12 to 256 characters after NFKC
// normalisation, need no particular kinds of characters, and must not be in a list of common passwords. They are stored
// as argon2id hashes with the minimum parameters of OWASP's Password Storage Cheat Sheet; if a hash has weaker
// parameters, the next sign-in replaces it.
//
// # Sessions and refresh tokens
//
// A sign-in creates a session, which the API calls a device. The client gets two tokens:
//
//   - The access token is a JWT by RFC 9068, valid for 10 minutes. Clients send it as a Bearer token (RFC 6750, section
//     2.1).
//   - The refresh token is opaque and works once: [Service.Refresh] replaces it with a successor (refresh token
//     rotation, RFC 9700, section 4.14.2). A session ends 30 days after its last refresh and at the latest 180 days
//     after the sign-in.
//
// The previous refresh token works for another 30 seconds and yields the same successor, so that a lost response or a
// second browser tab does not end the session. Any other use of a replaced token means that two parties hold it. The
// session then ends.
//
// An ended session is refused at once by the instance that ended it. Other instances cache sessions for 30 seconds, so
// they accept its access tokens for up to 30 seconds more.
//
// # Signing keys
//
// Access tokens are signed with Ed25519 (RFC 8037). The private keys are stored in the database, encrypted with
// AES-256-GCM under a key-encryption key (KEK) that only the instances know. A key passes through three stages:
//
//   - pending: its public half is published by [Service.JWKS], but it does not sign yet, so that every verifier has it
//     before it is used;
//   - active: it signs; each instance signs with the newest active key that its KEK decrypts;
//   - retired: it no longer signs and stays published until its last token has expired.
//
// [Service.Run] moves keys between the stages. [RotateSigningKey] publishes a new key by hand.
//
// # Personal access tokens
//
// A personal access token gives a script access to a ledger without a session. It starts with "swp_", so that secret
// scanners recognise it. Its permissions are a subset of [LedgerScopes]. It expires after at most 366 days. The store
// contains only a SHA-256 hash of its secret.
//
// # OpenID Connect providers
//
// [OIDCAuthenticator] accepts the access tokens of one provider, found by OpenID Connect Discovery 1.0. It checks
// issuer, audience, expiry and signature, accepts only the configured asymmetric algorithms, and rejects tokens that
// contain or reference their own keys (RFC 8725, sections 3.1 and 3.10). A ledger's owner is a hash of issuer and
// subject.
//
// # Throttling
//
// Failed sign-ins are counted by e-mail address and by network address. After 5 failures, each further failure blocks
// sign-ins with that e-mail address or from that network address. The first block lasts 1 second, and each further
// block twice as long as the one before, up to 15 minutes. An hour without a failure resets the count. A blocked
// sign-in, a wrong password and an unknown e-mail address have the same response and take the same time, so that a
// response does not reveal whether an account exists (OWASP Authentication Cheat Sheet).
package auth
