#!/usr/bin/env node
process.argv.splice(2, 0, 'evaluate-agent');
import('../run.mjs');
