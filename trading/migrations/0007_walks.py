"""The order in which followers are served is drawn: commitments, what was drawn for a signal, and each one's place."""

from django.db import migrations, models

# A walk that was begun from the lowest id, before there were draws, goes on to its end from where it stands.
BEGUN = """
update trading_signal set walk_first = 1, walk_last = 9223372036854775807, draw_followers = 2147483647
 where state = 'planning';
"""


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0006_overtaking'),
    ]

    operations = [
        migrations.AddField(
            model_name='denial',
            name='place',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Its drawn place among all followers.'),
        ),
        migrations.AddField(
            model_name='order',
            name='place',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Its drawn place among all followers.'),
        ),
        migrations.AddField(
            model_name='signal',
            name='draw_chain',
            field=models.BigIntegerField(help_text='The commitment that its seed belongs to.', null=True),
        ),
        migrations.AddField(
            model_name='signal',
            name='draw_followers',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='How many followed when drawn.'),
        ),
        migrations.AddField(
            model_name='signal',
            name='draw_start',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='The number of the first, from 0.'),
        ),
        migrations.AddField(
            model_name='signal',
            name='seed',
            field=models.BinaryField(help_text='Revealed when it is planned.', null=True),
        ),
        migrations.AddField(
            model_name='signal',
            name='walk_first',
            field=models.BigIntegerField(db_default=0, default=0, help_text='The subscription the walk begins with.'),
        ),
        migrations.AddField(
            model_name='signal',
            name='walk_last',
            field=models.BigIntegerField(help_text='The highest subscription id when it was drawn.', null=True),
        ),
        migrations.AddField(
            model_name='signal',
            name='wrapped',
            field=models.BooleanField(db_default=False, default=False, help_text='The walk goes on from the lowest id.'),
        ),
        migrations.AlterField(
            model_name='signal',
            name='cursor',
            field=models.BigIntegerField(default=0, help_text='Up to which subscription id its walk is planned.'),
        ),
        migrations.AlterField(
            model_name='signal',
            name='followers',
            field=models.PositiveIntegerField(default=0, help_text='How many are planned.'),
        ),
        migrations.CreateModel(
            name='DrawChain',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pool_id', models.UUIDField()),
                ('number', models.PositiveIntegerField()),
                ('revision', models.PositiveSmallIntegerField(default=0)),
                ('anchor', models.BinaryField()),
                ('published_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('pool_id', 'number', 'revision'), name='one_chain')],
            },
        ),
        migrations.RunSQL(BEGUN, migrations.RunSQL.noop),
    ]
