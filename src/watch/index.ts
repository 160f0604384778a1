export { WatchRoom, type WatchRoomOptions } from './room.ts';
