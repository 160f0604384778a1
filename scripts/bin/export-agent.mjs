#!/usr/bin/env node
process.argv.splice(2, 0, 'export-agent');
import('../run.mjs');
