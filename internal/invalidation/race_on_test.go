//go:build race

package invalidation

// modelDivisor keeps the model short under the race detector, which has nothing to find in its one goroutine.
const modelDivisor = 25
