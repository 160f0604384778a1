export { planSweep, type SweepJob } from './plan.ts';
