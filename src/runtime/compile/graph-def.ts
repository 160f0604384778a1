import { requireNative } from '../native-packages.ts';
import type { AttributeValue, ConstantTensor, GraphNode } from './graph-node.ts';
import { DataType } from './native.ts';

/** The tag under which the graph is stored and loaded. */
export const SERVING_TAG = 'serve';

// TensorFlow's protocol buffers; the classes come with the addon's package, without types.
type Message = Record<`set${string}` | `add${string}`, (value: unknown) => unknown> & {
  getAttrMap(): MessageMap;
  getSignatureDefMap(): MessageMap;
  getInputsMap(): MessageMap;
  getOutputsMap(): MessageMap;
  serializeBinary(): Uint8Array;
};
interface MessageMap {
  set(key: string, value: Message): void;
}
type MessageClass = (new () => Message) & {
  ListValue: new () => Message;
  Dim: new () => Message;
  MetaInfoDef: new () => Message;
};
let messageClasses: Record<string, MessageClass> | undefined;

function messages(): Record<string, MessageClass> {
  messageClasses ??= requireNative('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js') as Record<string, MessageClass>;
  return messageClasses;
}

/** GraphDef versions below this one have older rules for some ops' attributes. */
const GRAPH_DEF_PRODUCER = 1000;

/** What a graph takes and gives, for who loads it as a function. */
export interface Signature {
  readonly inputs: Readonly<Record<string, SignatureTensor>>;
  readonly outputs: Readonly<Record<string, SignatureTensor>>;
}

interface SignatureTensor {
  readonly node: GraphNode;
  /** -1 where any size will do. */
  readonly shape: readonly number[];
}

/** The name under which TensorFlow's readers look for a graph's one signature, and what it is for. */
const SIGNATURE_KEY = 'serving_default';
const SIGNATURE_METHOD = 'tensorflow/serving/predict';

/** A SavedModel whose one graph holds `nodes`, without variable files; its signature's tensors are float32. */
export function serialiseSavedModel(nodes: ReadonlySet<GraphNode>, signature?: Signature): Uint8Array {
  const { SavedModel, MetaGraphDef, GraphDef, VersionDef } = messages();
  const versions = new VersionDef();
  versions.setProducer(GRAPH_DEF_PRODUCER);
  const graph = new GraphDef();
  graph.setNodeList(Array.from(nodes, (node) => nodeDef(node, nodes)));
  graph.setVersions(versions);
  const info = new MetaGraphDef.MetaInfoDef();
  info.setTagsList([SERVING_TAG]);
  const metaGraph = new MetaGraphDef();
  metaGraph.setMetaInfoDef(info);
  metaGraph.setGraphDef(graph);
  if (signature) metaGraph.getSignatureDefMap().set(SIGNATURE_KEY, signatureDef(signature));
  const model = new SavedModel();
  model.setSavedModelSchemaVersion(1);
  model.setMetaGraphsList([metaGraph]);
  return model.serializeBinary();
}

function signatureDef({ inputs, outputs }: Signature): Message {
  const { SignatureDef, TensorInfo } = messages();
  const message = new SignatureDef();
  const fill = (map: MessageMap, tensors: Signature['inputs']) => {
    for (const [name, { node, shape }] of Object.entries(tensors)) {
      const info = new TensorInfo();
      info.setName(`${node.name}:0`);
      info.setDtype(DataType.float32);
      info.setTensorShape(tensorShape(shape));
      map.set(name, info);
    }
  };
  fill(message.getInputsMap(), inputs);
  fill(message.getOutputsMap(), outputs);
  message.setMethodName(SIGNATURE_METHOD);
  return message;
}

function nodeDef(node: GraphNode, live: ReadonlySet<GraphNode>): Message {
  const { NodeDef } = messages();
  const message = new NodeDef();
  message.setName(node.name);
  message.setOp(node.op);
  const controls = new Set([...node.after, ...[...node.afterIfRun].filter((other) => live.has(other))]);
  message.setInputList([
    ...node.inputs.map((input) => `${input.node.name}:${input.index}`),
    ...Array.from(controls, (other) => `^${other.name}`),
  ]);
  for (const [name, value] of Object.entries(node.attributes)) message.getAttrMap().set(name, attrValue(value));
  return message;
}

function attrValue(attribute: AttributeValue): Message {
  const { AttrValue } = messages();
  const message = new AttrValue();
  const list = new AttrValue.ListValue();
  switch (attribute.kind) {
    case 'type':
      message.setType(attribute.value);
      break;
    case 'int':
      message.setI(attribute.value);
      break;
    case 'float':
      message.setF(attribute.value);
      break;
    case 'bool':
      message.setB(attribute.value);
      break;
    case 'string':
      message.setS(Buffer.from(attribute.value));
      break;
    case 'shape':
      message.setShape(tensorShape(attribute.value));
      break;
    case 'tensor':
      message.setTensor(tensorProto(attribute.value));
      break;
    case 'ints':
      list.setIList([...attribute.value]);
      message.setList(list);
      break;
    case 'floats':
      list.setFList([...attribute.value]);
      message.setList(list);
      break;
    case 'bools':
      list.setBList([...attribute.value]);
      message.setList(list);
      break;
  }
  return message;
}

function tensorShape(shape: readonly number[]): Message {
  const { TensorShape } = messages();
  const message = new TensorShape();
  message.setDimList(
    shape.map((size) => {
      const dimension = new TensorShape.Dim();
      dimension.setSize(size);
      return dimension;
    }),
  );
  return message;
}

function tensorProto({ dtype, shape, bytes }: ConstantTensor): Message {
  const { Tensor } = messages();
  const message = new Tensor();
  message.setDtype(dtype);
  message.setTensorShape(tensorShape(shape));
  message.setTensorContent(bytes);
  return message;
}
