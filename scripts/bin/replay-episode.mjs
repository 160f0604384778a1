#!/usr/bin/env node
process.argv.splice(2, 0, 'replay-episode');
import('../run.mjs');
