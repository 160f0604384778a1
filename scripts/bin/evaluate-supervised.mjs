#!/usr/bin/env node
process.argv.splice(2, 0, 'evaluate-supervised');
import('../run.mjs');
