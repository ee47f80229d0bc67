import { renderTable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { audienceOf } from './share-add.ts';

export const examples = ['share list'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output } = context;
  const { shares } = await call(context, contract.shareList, {});
  output.json({ shares });
  if (shares.length === 0) {
    output.words('Nothing is shared: `filer-client share add DIR` offers a folder to the other members');
    return;
  }
  output.line(
    renderTable(
      [{ title: 'NAME', fit: 'whole' }, { title: 'FOR' }, { title: 'FOLDER', fit: 'below' }],
      shares.map((share) => [share.name, audienceOf(share), output.path(share.folder)]),
      output.columns,
    ),
  );
}
