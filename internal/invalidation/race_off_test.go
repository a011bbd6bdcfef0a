//go:build !race

package invalidation

// modelDivisor is 1 where the model runs at full speed.
const modelDivisor = 1
