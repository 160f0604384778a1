export {
  type MlpOptions,
  mlpQNetwork,
  type NatureOptions,
  natureQNetwork,
  type QNetworkOptions,
} from './q-networks.ts';
