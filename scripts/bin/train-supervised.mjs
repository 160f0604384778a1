#!/usr/bin/env node
process.argv.splice(2, 0, 'train-supervised');
import('../run.mjs');
