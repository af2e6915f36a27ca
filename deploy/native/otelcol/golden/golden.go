// Package golden is empty: see builder.yaml.
package golden
