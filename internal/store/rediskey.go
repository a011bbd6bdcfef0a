package store

import (
	"crypto/sha256"
	"encoding/hex"
	"unicode/utf8"
)

// Bounds of a Redis key. Redis would take 512 MiB, but every key is kept in its memory and sent with every command.
const (
	maxRedisKey  = 512
	keptOfKey    = 400 // what stays readable of a longer one
	digestLength = 16  // 128 bits: a collision is a miss anyway, as the entry carries the whole key
)

// RedisKey returns the key in Redis for a store's key. Up to 512 bytes it is the same text. A longer one is cut between two
// characters, and "~" and a digest of the whole follow.
func RedisKey(key string) string {
	if len(key) <= maxRedisKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:cut(key, keptOfKey)] + "~" + hex.EncodeToString(sum[:digestLength])
}

// cut is the last place at or before n where a character of s begins; n itself where s is no UTF-8.
func cut(s string, n int) int {
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return n
}
